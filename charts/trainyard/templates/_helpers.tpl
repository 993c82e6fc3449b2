{{- /* Names, labels and rights that more than one template needs. */ -}}

{{- define "trainyard.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /*
For objects without a namespace: releases in different namespaces don't collide. Cut by digest, not by length; room is
left for a suffix of 12.
*/ -}}
{{- define "trainyard.clusterName" -}}
{{- $name := printf "%s-%s" .Release.Namespace (include "trainyard.fullname" .) -}}
{{- if gt (len $name) 51 -}}
{{- printf "%s-%s" ($name | trunc 42 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{- define "trainyard.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trainyard.labels" -}}
{{ include "trainyard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* The operator's user, as the API server calls it. */ -}}
{{- define "trainyard.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "trainyard.fullname" . }}
{{- end -}}

{{- define "trainyard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "trainyard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* What the operator may do in a namespace whose jobs it runs. No wildcard, and nothing on Secrets. */ -}}
{{- define "trainyard.rules" -}}
- apiGroups: [trainyard.dev]
  resources: [trainingjobs]
  # Deleted only where spec.ttlSecondsAfterFinished asks for it.
  verbs: [get, list, watch, patch, delete]
- apiGroups: [trainyard.dev]
  resources: [checkpoints]
  verbs: [get, list, watch, create]
- apiGroups: [trainyard.dev]
  resources: [trainingjobs/status, checkpoints/status]
  verbs: [get, patch]
# To own objects that block the owner's deletion, where a cluster asks for this right.
- apiGroups: [trainyard.dev]
  resources: [trainingjobs/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  # Read where a Job has no pod: only events say why.
  verbs: [create, list]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end -}}

{{- /* Env of both ways to run the operator's image. */ -}}
{{- define "trainyard.commonEnv" -}}
- name: TRAINYARD_WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: TRAINYARD_LOG_FORMAT
  value: {{ .Values.operator.logFormat | quote }}
- name: TRAINYARD_LOG_LEVEL
  value: {{ .Values.operator.logLevel | quote }}
{{- end -}}
