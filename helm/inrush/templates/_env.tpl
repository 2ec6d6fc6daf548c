{{/* Variables: the pod's identity, and secrets by reference. */}}

{{- define "inrush.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.instance.id=$(POD_NAME),k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME),k8s.namespace.name={{ .root.Release.Namespace }}
{{- with .root.Values.admin.tokenSecret }}
{{- if .name }}
- name: INRUSH_ADMIN_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .name }}
      key: {{ .key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "inrush.env.store" -}}
{{- if .Values.redis.enabled -}}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "inrush.fullname" . }}-redis
      key: password
- name: INRUSH_STORE_URL
  value: {{ include "inrush.redis.url" . }}
{{- else -}}
- name: INRUSH_STORE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.store.existingSecret.name }}
      key: {{ .Values.store.existingSecret.key }}
{{- end -}}
{{- end }}

{{- define "inrush.env.ticketKeys" -}}
- name: INRUSH_TICKETS_KEYS
  valueFrom:
    secretKeyRef:
      name: {{ default (printf "%s-ticket-keys" (include "inrush.fullname" .)) .Values.tickets.existingSecret.name }}
      key: {{ .Values.tickets.existingSecret.key }}
{{- end }}
