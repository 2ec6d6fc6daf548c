{{- define "inrush.validate.secrets" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
serviceAccount.name is empty and serviceAccount.create is false, so that pods would use an account that does not exist: name an existing one, or set serviceAccount.create to true
{{- end }}
{{- range $part := list "front" "fulfilment" "orders" }}
{{- range (get $.Values $part).extraEnv }}
{{- if hasPrefix "INRUSH_" .name }}
{{ $part }}.extraEnv has {{ .name }}, which would override the chart's settings: set the key in config instead
{{- end }}
{{- end }}
{{- end }}
{{- end }}
