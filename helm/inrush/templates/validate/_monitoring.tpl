{{- define "inrush.validate.monitoring" -}}
{{- $known := list }}
{{- range ((.Files.Get "files/alerts.yaml" | fromYaml).groups) }}
{{- range .rules }}
{{- $known = append $known .alert }}
{{- end }}
{{- end }}
{{- range .Values.monitoring.prometheusRule.disabled }}
{{- if not (has . $known) }}
monitoring.prometheusRule.disabled has {{ . }}, and there is no such alert: take one of {{ join ", " $known }}
{{- end }}
{{- end }}
{{- range $part := list "front" "orders" }}
{{- if eq (int (get $.Values $part).port) (int $.Values.admin.port) }}
{{ $part }}.port is {{ $.Values.admin.port }}, which is admin.port too: use another port for one of them
{{- end }}
{{- end }}
{{- end }}
