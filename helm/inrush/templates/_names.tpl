{{/* Names and labels. A "part" is a dict of the root context and a component: front, fulfilment, orders, redis. */}}

{{- define "inrush.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" }}
{{- end }}

{{/* The name of a CronJob has at most 52 characters, and the suffixes of this name at most 21. */}}
{{- define "inrush.fullname" -}}
{{- $name := include "inrush.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 30 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 30 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 30 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "inrush.part.name" -}}
{{ include "inrush.fullname" .root }}-{{ .component }}
{{- end }}

{{/* The selector of a part's pods. It must never change: the selector of a Deployment is immutable. */}}
{{- define "inrush.selector" -}}
app.kubernetes.io/name: {{ include "inrush.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The selector of all pods of the release. */}}
{{- define "inrush.selector.all" -}}
app.kubernetes.io/name: {{ include "inrush.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "inrush.labels" -}}
{{ include "inrush.labels.pod" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Without the chart's version: a new chart alone must not restart pods. */}}
{{- define "inrush.labels.pod" -}}
{{ include "inrush.selector" . }}
app.kubernetes.io/part-of: inrush
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object, named after its part, with a suffix or with another name. */}}
{{- define "inrush.metadata" -}}
name: {{ default (include "inrush.part.name" .) .name }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "inrush.labels" . | nindent 2 }}
  {{- with .extraLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite (dict) (deepCopy .root.Values.commonAnnotations) (default (dict) .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "inrush.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "inrush.serviceAccountName" -}}
{{ default (include "inrush.fullname" .) .Values.serviceAccount.name }}
{{- end }}
