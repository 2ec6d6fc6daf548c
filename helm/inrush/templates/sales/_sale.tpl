{{/* One entry of `sales` as the command that creates it. */}}

{{- define "inrush.sale.args" -}}
- sale
- create
- {{ .id | quote }}
- --if-absent
# Waits for fronts that start at the same time.
- --timeout=2m
{{- range $flag, $value := dict "stock" .stock "cap" .cap "unit-limit" .unitLimit "burst" .burst "max-attempts" .maxAttempts }}
{{- if not (kindIs "invalid" $value) }}
- --{{ $flag }}={{ int64 $value }}
{{- end }}
{{- end }}
{{- range $flag, $value := dict "open" .open "close" .close "pace" .pace "lease" .lease "route" .route "durability" .durability }}
{{- with $value }}
- {{ printf "--%s=%s" $flag . | quote }}
{{- end }}
{{- end }}
{{- range .hold }}
- --hold={{ . }}
{{- end }}
{{- end }}

{{/* The front's address and CA for clients of this release. */}}
{{- define "inrush.client.env" -}}
env:
  - name: INRUSH_SERVER
    value: {{ include "inrush.front.url" . }}
  {{- if .Values.tls.enabled }}
  - name: INRUSH_CLIENT_CA_FILE
    value: /etc/inrush/client/ca.crt
  {{- end }}
  {{- if .Values.tls.clientCa.existingSecret }}
  - name: INRUSH_CLIENT_CERT_FILE
    value: /etc/inrush/client/tls.crt
  - name: INRUSH_CLIENT_KEY_FILE
    value: /etc/inrush/client/tls.key
  {{- end }}
{{- end }}

{{/* The CA is in the certificate's Secret, where cert-manager stores it; with mTLS in the Secret of the client. */}}
{{- define "inrush.client.volumes" -}}
{{- if .Values.tls.enabled -}}
volumes:
  - name: client
    secret:
      {{- if .Values.tls.clientCa.existingSecret }}
      secretName: {{ .Values.tls.clientCa.clientSecret }}
      {{- else }}
      secretName: {{ include "inrush.tls.secretName" . }}
      items:
        - key: ca.crt
          path: ca.crt
      {{- end }}
{{- end -}}
{{- end }}

{{- define "inrush.client.mounts" -}}
{{- if .Values.tls.enabled -}}
volumeMounts:
  - name: client
    mountPath: /etc/inrush/client
    readOnly: true
{{- end -}}
{{- end }}
