{{/* The configuration file of each service: the tables of `config` that concern it, and what only the chart can know:
     addresses, and the paths of mounted files. */}}

{{- define "inrush.config" -}}
{{- $root := .root -}}
{{- $config := $root.Values.config -}}
{{- $tables := dict
      "log" $config.log
      "telemetry" $config.telemetry
      "admin" (dict "listen" (include "inrush.listen" (dict "root" $root "port" $root.Values.admin.port))) -}}
{{- $own := include (printf "inrush.config.%s" .component) $root | fromYaml -}}
# Written by the chart {{ $root.Chart.Name }}: change its values, not this.
{{ include "inrush.toml" (dict "table" (merge $own $tables)) }}
{{- end }}

{{- define "inrush.listen" -}}
{{ .root.Values.listenAddress }}:{{ .port }}
{{- end }}

{{- define "inrush.config.front" -}}
{{- $front := deepCopy .Values.config.front -}}
{{- $_ := set $front "listen" (include "inrush.listen" (dict "root" . "port" .Values.front.port)) -}}
{{- if not (include "inrush.canSleep" .) -}}
{{- $grace := add .Values.front.preStopSeconds (include "inrush.seconds" $front.drain.grace) -}}
{{- $_ := set $front "drain" (merge (dict "grace" (printf "%ds" $grace)) $front.drain) -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- $tls := dict "cert_file" "/etc/inrush/tls/tls.crt" "key_file" "/etc/inrush/tls/tls.key" -}}
{{- if .Values.tls.clientCa.existingSecret -}}
{{- $_ := set $tls "client_ca_file" "/etc/inrush/client-ca/ca.crt" -}}
{{- end -}}
{{- $_ := set $front "tls" $tls -}}
{{- end -}}
{{ toYaml (dict "front" $front "store" (include "inrush.config.store" . | fromYaml)) }}
{{- end }}

{{- define "inrush.config.fulfilment" -}}
{{- $fulfilment := deepCopy .Values.config.fulfilment -}}
{{- $_ := set $fulfilment "orders" (include "inrush.orderSystem.urls" . | fromYamlArray) -}}
{{- if .Values.orderSystem.tls.existingSecret -}}
{{- $tls := dict "ca_file" "/etc/inrush/order-system-tls/ca.crt" -}}
{{- with .Values.orderSystem.tls.domain }}{{ $_ := set $tls "domain" . }}{{ end -}}
{{- if .Values.orderSystem.tls.clientCertificate -}}
{{- $_ := set $tls "cert_file" "/etc/inrush/order-system-tls/tls.crt" -}}
{{- $_ := set $tls "key_file" "/etc/inrush/order-system-tls/tls.key" -}}
{{- end -}}
{{- $_ := set $fulfilment "tls" $tls -}}
{{- end -}}
{{ toYaml (dict "fulfilment" $fulfilment "store" (include "inrush.config.store" . | fromYaml)) }}
{{- end }}

{{- define "inrush.config.orders" -}}
{{- $orders := deepCopy .Values.config.orders -}}
{{- if not .Values.orders.database.existingSecret -}}
{{- $_ := set $orders "database" "sqlite:/data/orders.db" -}}
{{- end -}}
{{- if not .Values.tls.enabled -}}
{{- $_ := set $orders "front" (include "inrush.front.url" .) -}}
{{- end -}}
{{- $_ := set $orders "listen" (include "inrush.listen" (dict "root" . "port" .Values.orders.port)) -}}
{{ toYaml (dict "orders" $orders) }}
{{- end }}

{{- define "inrush.config.store" -}}
{{- $store := deepCopy .Values.config.store -}}
{{- if .Values.store.ca.existingSecret -}}
{{- $_ := set $store "ca_file" "/etc/inrush/store-ca/ca.crt" -}}
{{- end -}}
{{ toYaml $store }}
{{- end }}

{{/* Where clients inside the cluster find any front. */}}
{{- define "inrush.front.url" -}}
{{ ternary "https" "http" .Values.tls.enabled }}://{{ include "inrush.front.host" . }}:{{ .Values.front.port }}
{{- end }}

{{- define "inrush.front.host" -}}
{{ include "inrush.fullname" . }}-front.{{ .Release.Namespace }}.svc
{{- end }}

{{/* The order system's addresses, as a list in YAML. */}}
{{- define "inrush.orderSystem.urls" -}}
{{- if .Values.orders.enabled -}}
- http://{{ include "inrush.fullname" . }}-orders.{{ .Release.Namespace }}.svc:{{ .Values.orders.port }}
{{- else -}}
{{ toYaml .Values.orderSystem.urls }}
{{- end -}}
{{- end }}

{{/* The URL of the store, with the password left to Kubernetes to fill in. */}}
{{- define "inrush.redis.url" -}}
{{- $name := printf "%s-redis" (include "inrush.fullname" .) -}}
{{- if eq .Values.redis.mode "sentinel" -}}
{{- $hosts := list -}}
{{- range $i := until (int .Values.redis.replicas) -}}
{{- $hosts = append $hosts (printf "%s-%d.%s-nodes.%s.svc:26379" $name $i $name $.Release.Namespace) -}}
{{- end -}}
redis+sentinel://:$(REDIS_PASSWORD)@{{ join "," $hosts }}/inrush
{{- else -}}
redis://:$(REDIS_PASSWORD)@{{ $name }}.{{ .Release.Namespace }}.svc:6379
{{- end -}}
{{- end }}

{{- define "inrush.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "inrush.metadata" . | nindent 2 }}
data:
  inrush.toml: |
    {{- include "inrush.config" . | trim | nindent 4 }}
{{- end }}
