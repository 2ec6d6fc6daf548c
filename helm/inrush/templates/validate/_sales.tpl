{{- define "inrush.validate.sales" -}}
{{- $ids := list }}
{{- range .Values.sales }}
{{- if has .id $ids }}
sales has two entries with the id {{ .id }}: give each sale an id of its own
{{- end }}
{{- $ids = append $ids .id }}
{{- if and (kindIs "invalid" .stock) (kindIs "invalid" .cap) }}
sales: {{ .id }} has neither stock nor cap: set stock, or set cap to the maximum of waiting units
{{- end }}
{{- if and .stock .cap (lt (int64 .cap) (int64 .stock)) }}
sales: {{ .id }} has the cap {{ int64 .cap }}, which is less than its stock ({{ int64 .stock }}), so that units would be left over: raise cap, or leave it out
{{- end }}
{{- if and .burst (not .pace) }}
sales: {{ .id }} has a burst and no pace: set pace, such as 500/s, or leave burst out
{{- end }}
{{- if and .open .close }}
{{- if ge (toDate "2006-01-02T15:04:05Z07:00" .open).Unix (toDate "2006-01-02T15:04:05Z07:00" .close).Unix }}
sales: {{ .id }} closes ({{ .close }}) before it opens ({{ .open }}): change close or open
{{- end }}
{{- end }}
{{- if $.Values.redis.enabled }}
{{- if and (eq (default "" .durability) "replicated") (ne $.Values.redis.mode "sentinel") }}
sales: {{ .id }} has the durability replicated, and the bundled Redis has no replica: set redis.mode to sentinel, or use your own Redis
{{- end }}
{{- $persistence := $.Values.redis.persistence }}
{{- if and (eq (default "" .durability) "fsync") (not (and $persistence.enabled (eq $persistence.sync "always"))) }}
sales: {{ .id }} has the durability fsync, and the bundled Redis replies before the data is on disk: set redis.persistence.enabled to true and redis.persistence.sync to always, or use your own Redis
{{- end }}
{{- end }}
{{- end }}
{{- end }}
