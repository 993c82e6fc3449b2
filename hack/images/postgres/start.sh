#!/bin/sh
# Makes the data folder at the first start, then becomes the server. Over the network a password is asked for always; the
# socket, which only this container sees, trusts: by it the roles and their passwords are set.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA"
    "$bin/initdb" --username=postgres --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec "$bin/postgres" -c 'listen_addresses=*' -c unix_socket_directories=/tmp -c jit=off
