{{/* Parts of network policies. */}}

{{/* The metadata and the pod selector of a policy. Takes a part. */}}
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

{{/* Monitoring may read the admin port. Probes come from the node and are always allowed. */}}
{{- define "inrush.ingress.admin" -}}
- from:
    {{- toYaml .Values.networkPolicy.monitoringFrom | nindent 4 }}
  ports:
    - port: admin
{{- end }}

{{/* The store: the bundled Redis, or the peers in networkPolicy.egress.store. */}}
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
