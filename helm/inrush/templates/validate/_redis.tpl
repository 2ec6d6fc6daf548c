{{- define "inrush.validate.redis" -}}
{{- $redis := .Values.redis }}
{{- $external := .Values.store.existingSecret.name }}
{{- if and $redis.enabled $external }}
store.existingSecret.name is {{ $external }} and redis.enabled is true, so that there are two stores: set redis.enabled to false to use yours, or leave store.existingSecret.name empty
{{- end }}
{{- if not (or $redis.enabled $external) }}
store.existingSecret.name is empty and redis.enabled is false, so that there is no store: name a Secret with the URL of your Redis, or set redis.enabled to true for a trial
{{- end }}
{{- if and $redis.enabled .Values.store.ca.existingSecret }}
store.ca.existingSecret is set, and the bundled Redis has no TLS: leave it empty, or set redis.enabled to false and name your own Redis
{{- end }}
{{- if $redis.enabled }}
{{- if and (eq $redis.mode "sentinel") (eq (mod (int $redis.replicas) 2) 0) }}
redis.replicas is {{ $redis.replicas }}, and sentinels need a majority: use an odd number, such as {{ add $redis.replicas 1 }}
{{- end }}
{{- $limit := get (default dict (default dict $redis.resources).limits) "memory" }}
{{- with $limit }}
{{- $kept := include "inrush.bytes" $redis.maxMemory | int64 }}
{{- $allowed := include "inrush.bytes" . | int64 }}
{{- if gt (mul $kept 4) (mul $allowed 3) }}
redis.maxMemory is {{ $redis.maxMemory }} and redis.resources.limits.memory is {{ . }}: Redis needs a quarter of the limit as headroom, or it is killed and loses its data: lower the first, or raise the second
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Bytes of a size as Kubernetes (512Mi) or Redis (256mb) writes it. */}}
{{- define "inrush.bytes" -}}
{{- $unit := regexReplaceAll "^[0-9]+" (toString .) "" | lower | trimSuffix "i" | trimSuffix "b" -}}
{{- $number := regexFind "^[0-9]+" (toString .) | int64 -}}
{{- $factor := get (dict "" 1 "k" 1024 "m" 1048576 "g" 1073741824 "t" 1099511627776) $unit | default 1 -}}
{{ mul $number $factor }}
{{- end }}
