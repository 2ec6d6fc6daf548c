{{- define "inrush.validate.orders" -}}
{{- $orders := .Values.orders }}
{{- $urls := .Values.orderSystem.urls }}
{{- if and $orders.enabled $urls }}
orderSystem.urls is set and orders.enabled is true, so that there are two order systems: set orders.enabled to false to use yours, or leave orderSystem.urls empty
{{- end }}
{{- if not (or $orders.enabled $urls) }}
orderSystem.urls is empty and orders.enabled is false, so that no orders would be created: name the address of your order system, such as http://orders.shop.svc:50061, or set orders.enabled to true for a trial
{{- end }}
{{- range $urls }}
{{- if and (hasPrefix "https://" .) (not $.Values.orderSystem.tls.existingSecret) }}
orderSystem.urls has {{ . }}, and orderSystem.tls.existingSecret is empty: name a Secret with ca.crt, its CA certificates
{{- end }}
{{- if and (hasPrefix "http://" .) $.Values.orderSystem.tls.existingSecret }}
orderSystem.urls has {{ . }}, and orderSystem.tls.existingSecret is set: write https://, or leave the Secret empty
{{- end }}
{{- end }}
{{- if $orders.enabled }}
{{- if and (gt (int $orders.replicas) 1) (not $orders.database.existingSecret) }}
orders.replicas is {{ $orders.replicas }}, and SQLite is a file of one process: name a PostgreSQL database with orders.database.existingSecret, or set orders.replicas to 1
{{- end }}
{{- if and $orders.persistence.enabled $orders.database.existingSecret }}
orders.persistence.enabled is true, and orders are in the database of orders.database.existingSecret: set it to false
{{- end }}
{{- if .Values.orderSystem.tls.existingSecret }}
orderSystem.tls.existingSecret is set, and the bundled order system has no TLS: leave it empty, or set orders.enabled to false and name your own
{{- end }}
{{- end }}
{{- end }}
