{{- define "inrush.validate.network" -}}
{{- if .Values.networkPolicy.enabled }}
{{- $egress := .Values.networkPolicy.egress }}
{{- if and .Values.store.existingSecret.name (not $egress.store) }}
networkPolicy.egress.store is empty, so that nothing could reach your Redis: allow it, such as [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 6379}]}], or set networkPolicy.enabled to false
{{- end }}
{{- if and .Values.orderSystem.urls (not $egress.orderSystem) }}
networkPolicy.egress.orderSystem is empty, so that fulfilment could not reach your order system: allow it, such as [{to: [{namespaceSelector: {}}], ports: [{port: 50061}]}], or set networkPolicy.enabled to false
{{- end }}
{{- if and .Values.orders.enabled .Values.orders.database.existingSecret (not $egress.database) }}
networkPolicy.egress.database is empty, so that the order system could not reach PostgreSQL: allow it, such as [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 5432}]}], or set networkPolicy.enabled to false
{{- end }}
{{- if and .Values.config.telemetry.otlp_endpoint (not $egress.telemetry) }}
networkPolicy.egress.telemetry is empty, so that nothing could reach config.telemetry.otlp_endpoint ({{ .Values.config.telemetry.otlp_endpoint }}): allow it, such as [{to: [{namespaceSelector: {}}], ports: [{port: 4317}]}], or set networkPolicy.enabled to false
{{- end }}
{{- end }}
{{- end }}
