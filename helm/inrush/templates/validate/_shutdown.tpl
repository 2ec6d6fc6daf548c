{{- define "inrush.validate.shutdown" -}}
{{- range $part := list "front" "fulfilment" "orders" }}
{{- $values := get $.Values $part }}
{{- $needed := include "inrush.neededGraceSeconds" (dict "root" $ "component" $part "values" $values) | int }}
{{- if and $values.terminationGracePeriodSeconds (lt (int $values.terminationGracePeriodSeconds) $needed) }}
{{ $part }}.terminationGracePeriodSeconds is {{ $values.terminationGracePeriodSeconds }}, and a shutdown takes {{ $needed }} seconds (preStopSeconds and the drain): leave it empty, or shorten {{ get (dict "front" "front.preStopSeconds, config.front.drain.grace or config.front.drain.timeout" "fulfilment" "config.fulfilment.drain_timeout" "orders" "orders.preStopSeconds") $part }}
{{- end }}
{{- end }}
{{- end }}
