{{- /* What all admission policies share. Each takes a dict: `root` the chart's context, `name` the policy's suffix. */ -}}

{{- define "trainyard.policyMetadata" -}}
name: {{ include "trainyard.clusterName" .root }}{{ .name }}
labels:
  {{- include "trainyard.labels" .root | nindent 2 }}
{{- end -}}

{{- define "trainyard.policyBinding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  {{- include "trainyard.policyMetadata" . | nindent 2 }}
spec:
  policyName: {{ include "trainyard.clusterName" .root }}{{ .name }}
  validationActions: [Deny]
{{- end -}}

{{- /* Other namespaces may have an operator of their own. */ -}}
{{- define "trainyard.policyNamespaces" -}}
{{- with .Values.watchNamespaces }}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: In
      values: {{ toJson . }}
{{- end }}
{{- end -}}

{{- /* Only what the operator sees: its selector. Matches where the old or the new object has the label. */ -}}
{{- define "trainyard.policyOurs" -}}
objectSelector:
  matchLabels:
    app.kubernetes.io/managed-by: trainyard-operator
{{- end -}}

{{- define "trainyard.policyOthers" -}}
- name: not-the-operator
  expression: >-
    !(request.userInfo.username in {{ prepend .Values.admissionPolicy.exemptUsers (include "trainyard.username" .) | toJson }})
{{- end -}}

{{- /* The label by which the operator finds what it made. */ -}}
{{- define "trainyard.policyMark" -}}
'app.kubernetes.io/managed-by'
{{- end -}}

{{- /*
The break-glass. Asked without a namespace, for whoever has every verb of a namespace must not have this one; the
object's name is the namespace, so that a role may name some. A person's alone: what acts for tenants with all rights, as
a GitOps controller, must not bring their changes through. Lazy: the authorizer is asked only where a rule is broken.
*/ -}}
{{- define "trainyard.policyOverride" -}}
- name: override
  expression: >-
    !request.userInfo.username.startsWith('system:serviceaccount:') &&
    authorizer.group('trainyard.dev').resource('trainingjobs').name(request.namespace).check('override').allowed()
{{- end -}}

{{- /*
What an UPDATE has changed of our labels and the controller. The Job controller's labels count: a pod without them is one
that it lets go.
*/ -}}
{{- define "trainyard.policyChanges" -}}
- name: labelsBefore
  expression: "oldObject.?metadata.labels.orValue({})"
- name: labelsNow
  expression: "object.?metadata.labels.orValue({})"
- name: changedLabels
  expression: >-
    (variables.labelsBefore.filter(key, variables.labelsNow[?key] != optional.of(variables.labelsBefore[key]))
    + variables.labelsNow.filter(key, !(key in variables.labelsBefore)))
    .filter(key, key.startsWith('trainyard.dev/') || key.startsWith('batch.kubernetes.io/')
    || key in ['controller-uid', 'job-name'] || (key == 'app.kubernetes.io/managed-by'
    && 'trainyard-operator' in [variables.labelsBefore[?key].orValue(''), variables.labelsNow[?key].orValue('')]))
- name: controllersBefore
  expression: "oldObject.?metadata.ownerReferences.orValue([]).filter(owner, owner.?controller.orValue(false)).map(owner, owner.uid)"
- name: controllersNow
  expression: "object.?metadata.ownerReferences.orValue([]).filter(owner, owner.?controller.orValue(false)).map(owner, owner.uid)"
{{- end -}}
