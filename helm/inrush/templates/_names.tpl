{{/* Names and labels. A "part" is a dict of the root context and a component: front, fulfilment, orders, redis. */}}

{{- define "inrush.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" }}
{{- end }}

{{/* The name of a CronJob takes 52 characters, and what is added to this is 21 at most. */}}
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

{{/* What selects the pods of a part. It must never change, since Deployments cannot change theirs. */}}
{{- define "inrush.selector" -}}
app.kubernetes.io/name: {{ include "inrush.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* What selects every pod of the release. */}}
{{- define "inrush.selector.all" -}}
app.kubernetes.io/name: {{ include "inrush.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "inrush.labels" -}}
{{ include "inrush.labels.pod" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Without the chart's version: a new chart alone is no reason to restart a pod. */}}
{{- define "inrush.labels.pod" -}}
{{ include "inrush.selector" . }}
app.kubernetes.io/part-of: inrush
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object that has the name of its part, or that and a suffix, or another. */}}
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
