{{/* Values as TOML, the language of Inrush's own configuration. Helm's toToml would write 4000 as 4000.0, and a count is no
     fraction. What is null is left out. */}}

{{/* A table: first its keys, then its tables. Takes a dict of `table` and, for a nested table, `path`. */}}
{{- define "inrush.toml" -}}
{{- $path := default "" .path -}}
{{- range $key, $value := .table -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) -}}
{{ include "inrush.toml.key" $key }} = {{ include "inrush.toml.value" $value }}{{ "\n" }}
{{- end -}}
{{- end -}}
{{- range $key, $value := .table -}}
{{- if and (kindIs "map" $value) $value -}}
{{- $inner := printf "%s%s" $path (include "inrush.toml.key" $key) -}}
{{- "\n" }}[{{ $inner }}]{{ "\n" }}
{{- include "inrush.toml" (dict "table" $value "path" (printf "%s." $inner)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "inrush.toml.key" -}}
{{ if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* Strings, booleans and lists of them are written as in JSON. */}}
{{- define "inrush.toml.value" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ int64 . }}
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end }}
