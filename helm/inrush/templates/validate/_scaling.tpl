{{- define "inrush.validate.scaling" -}}
{{- $scaling := .Values.front.autoscaling -}}
{{- $requests := default dict (default dict .Values.front.resources).requests -}}
{{- if $scaling.enabled -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
front.autoscaling.minReplicas is {{ $scaling.minReplicas }}, which is more than front.autoscaling.maxReplicas ({{ $scaling.maxReplicas }}): raise the maximum, or lower the minimum
{{- end }}
{{- if not $scaling.metrics }}
front.autoscaling.metrics is empty, so that nothing would ever be scaled: name a metric, or set front.autoscaling.enabled to false
{{- end }}
{{- range $scaling.metrics }}
{{- $name := dig "resource" "name" "" . }}
{{- if and (eq (dig "resource" "target" "type" "" .) "Utilization") (not (get $requests $name)) }}
front.autoscaling.metrics has the utilization of {{ $name }}, which is a share of what is requested, and front.resources.requests.{{ $name }} is not set: set it
{{- end }}
{{- end }}
{{- else if $scaling.schedule }}
front.autoscaling.schedule is set and front.autoscaling.enabled is false, so that there is nothing to schedule: set it to true, or change front.replicas by hand before the sale
{{- end }}
{{- $names := list }}
{{- range $scaling.schedule }}
{{- if gt (int .minReplicas) (int $scaling.maxReplicas) }}
front.autoscaling.schedule: {{ .name }} wants {{ .minReplicas }} fronts, which is more than front.autoscaling.maxReplicas ({{ $scaling.maxReplicas }}): raise the maximum
{{- end }}
{{- if le (int .minReplicas) (int $scaling.minReplicas) }}
front.autoscaling.schedule: {{ .name }} wants {{ .minReplicas }} fronts, which is no more than front.autoscaling.minReplicas ({{ $scaling.minReplicas }}): ask for more, or drop the entry
{{- end }}
{{- if has .name $names }}
front.autoscaling.schedule has two entries named {{ .name }}: give each a name of its own
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- $limit := get (default dict (default dict .Values.front.resources).limits) "cpu" }}
{{- if $limit }}
{{- $cores := ternary (divf (trimSuffix "m" (toString $limit)) 1000) (float64 $limit) (hasSuffix "m" (toString $limit)) }}
{{- if gt (float64 .Values.config.front.cores) $cores }}
config.front.cores is {{ .Values.config.front.cores }}, which is more than front.resources.limits.cpu ({{ $limit }}) allows: lower it, or raise or drop the limit
{{- end }}
{{- end }}
{{- $keda := .Values.fulfilment.keda }}
{{- if $keda.enabled }}
{{- if not $keda.prometheusAddress }}
fulfilment.keda.prometheusAddress is empty, and KEDA needs it to query the waiting units: name your Prometheus, such as http://prometheus.monitoring.svc:9090
{{- end }}
{{- if gt (int $keda.minReplicas) (int $keda.maxReplicas) }}
fulfilment.keda.minReplicas is {{ $keda.minReplicas }}, which is more than fulfilment.keda.maxReplicas ({{ $keda.maxReplicas }}): raise the maximum, or lower the minimum
{{- end }}
{{- end }}
{{- $running := dict
      "front" (ternary $scaling.minReplicas .Values.front.replicas $scaling.enabled)
      "fulfilment" (ternary $keda.minReplicas .Values.fulfilment.replicas $keda.enabled) }}
{{- range $part, $replicas := $running }}
{{- $budget := (get $.Values $part).podDisruptionBudget }}
{{- if $budget.enabled }}
{{- if eq (toString $budget.maxUnavailable) "0" }}
{{ $part }}.podDisruptionBudget.maxUnavailable is 0, so that no node could ever be drained: set it to 1, or set {{ $part }}.podDisruptionBudget.enabled to false
{{- end }}
{{- if and (kindIs "float64" $budget.minAvailable) (ge (int $budget.minAvailable) (int $replicas)) }}
{{ $part }}.podDisruptionBudget.minAvailable is {{ $budget.minAvailable }} with {{ $replicas }} replicas, so that no node could ever be drained: lower it, or run more
{{- end }}
{{- end }}
{{- end }}
{{- end }}
