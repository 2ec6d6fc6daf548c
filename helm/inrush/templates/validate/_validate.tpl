{{/* Checks of values that are valid one by one and contradict each other. Each check is a template that prints a line per
     problem: the value, what is wrong, and the remedy. All problems are listed together. */}}

{{- define "inrush.validate" -}}
{{- $problems := list -}}
{{- range $topic := list "scaling" "shutdown" "redis" "orders" "secrets" "tls" "network" "monitoring" "sales" -}}
{{- range $line := include (printf "inrush.validate.%s" $topic) $ | splitList "\n" -}}
{{- with trim $line -}}
{{- $problems = append $problems (printf "  - %s" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nThese values contradict each other:\n%s\n" (join "\n" $problems)) -}}
{{- end -}}
{{- end }}
