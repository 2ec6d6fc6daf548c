{{/* Secrets that are mounted as files: certificates and CAs. Each set of volumes is followed by its mounts. */}}

{{- define "inrush.volumes.store" -}}
{{- with .Values.store.ca.existingSecret -}}
- name: store-ca
  secret:
    secretName: {{ . }}
{{- end -}}
{{- end }}

{{- define "inrush.mounts.store" -}}
{{- if .Values.store.ca.existingSecret -}}
- name: store-ca
  mountPath: /etc/inrush/store-ca
  readOnly: true
{{- end -}}
{{- end }}

{{- define "inrush.volumes.frontTls" -}}
{{- if .Values.tls.enabled -}}
- name: tls
  secret:
    secretName: {{ include "inrush.tls.secretName" . }}
{{- with .Values.tls.clientCa.existingSecret }}
- name: client-ca
  secret:
    secretName: {{ . }}
{{- end }}
{{- end -}}
{{- end }}

{{- define "inrush.mounts.frontTls" -}}
{{- if .Values.tls.enabled -}}
- name: tls
  mountPath: /etc/inrush/tls
  readOnly: true
{{- if .Values.tls.clientCa.existingSecret }}
- name: client-ca
  mountPath: /etc/inrush/client-ca
  readOnly: true
{{- end }}
{{- end -}}
{{- end }}

{{- define "inrush.tls.secretName" -}}
{{ default (printf "%s-front-tls" (include "inrush.fullname" .)) .Values.tls.existingSecret }}
{{- end }}

{{- define "inrush.volumes.orderSystemTls" -}}
{{- with .Values.orderSystem.tls.existingSecret -}}
- name: order-system-tls
  secret:
    secretName: {{ . }}
{{- end -}}
{{- end }}

{{- define "inrush.mounts.orderSystemTls" -}}
{{- if .Values.orderSystem.tls.existingSecret -}}
- name: order-system-tls
  mountPath: /etc/inrush/order-system-tls
  readOnly: true
{{- end -}}
{{- end }}
