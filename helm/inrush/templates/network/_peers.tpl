{{/* Parts of network policies. */}}

{{/* A policy's head: whom it is for. Takes a part. */}}
{{- define "inrush.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "inrush.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "inrush.selector" . | nindent 6 }}
{{- end }}

{{/* The pods of a part, as a peer. */}}
{{- define "inrush.peer" -}}
- podSelector:
    matchLabels:
      {{- include "inrush.selector" . | nindent 6 }}
{{- end }}

{{/* Whoever watches may read the admin port; so do the probes, which come from the node and are let through. */}}
{{- define "inrush.ingress.admin" -}}
- from:
    {{- toYaml .Values.networkPolicy.monitoringFrom | nindent 4 }}
  ports:
    - port: admin
{{- end }}

{{/* The store: the bundled one, or what the values say about the other. */}}
{{- define "inrush.egress.store" -}}
{{- if .Values.redis.enabled -}}
- to:
    {{- include "inrush.peer" (dict "root" . "component" "redis") | nindent 4 }}
  ports:
    - port: 6379
    {{- if eq .Values.redis.mode "sentinel" }}
    - port: 26379
    {{- end }}
{{- else -}}
{{ toYaml .Values.networkPolicy.egress.store }}
{{- end -}}
{{- end }}

{{- define "inrush.egress.front" -}}
- to:
    {{- include "inrush.peer" (dict "root" . "component" "front") | nindent 4 }}
  ports:
    - port: {{ .Values.front.port }}
{{- end }}
