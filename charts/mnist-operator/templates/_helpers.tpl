{{- define "mnist-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of cluster-scoped objects: installs that serve chosen namespaces may stand side by side. */}}
{{- define "mnist-operator.clusterName" -}}
{{- if .Values.watchNamespaces -}}
{{- printf "%s-%s" (include "mnist-operator.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- include "mnist-operator.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "mnist-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "mnist-operator.commonLabels" -}}
app.kubernetes.io/part-of: mnist-training
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mnist-operator.labels" -}}
{{ include "mnist-operator.selectorLabels" . }}
{{ include "mnist-operator.commonLabels" . }}
{{- end -}}

{{- define "mnist-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "mnist-operator.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image's reference, from (list . image). */}}
{{- define "mnist-operator.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- with $root.Values.imageRegistry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Whether roles for people are made: "true" or nothing. */}}
{{- define "mnist-operator.userRoles" -}}
{{- if kindIs "invalid" .Values.userRoles.create -}}
{{- if not .Values.watchNamespaces }}true{{ end -}}
{{- else if .Values.userRoles.create -}}
true
{{- end -}}
{{- end -}}

{{- define "mnist-operator.portalName" -}}
{{- printf "%s-portal" (include "mnist-operator.fullname" .) -}}
{{- end -}}

{{- define "mnist-operator.portalSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: portal
{{- end -}}

{{- define "mnist-operator.portalLabels" -}}
{{ include "mnist-operator.portalSelector" . }}
{{ include "mnist-operator.commonLabels" . }}
{{- end -}}
