{{/* Durations in Inrush's syntax ("5s", "1m 30s", "500ms"), and the termination grace period of a pod. */}}

{{/* Whole seconds, rounded up. */}}
{{- define "inrush.seconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexReplaceAll "[0-9]+" . "" -}}
{{- $factor := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit -}}
{{- $milliseconds = add $milliseconds (mul (regexReplaceAll "[a-z]+" . "" | atoi) $factor) -}}
{{- end -}}
{{ div (add $milliseconds 999) 1000 }}
{{- end }}

{{/* Maximum time from SIGTERM to the exit: the configured drain, and the time to settle outcomes, flush telemetry and stop
     the admin server. */}}
{{- define "inrush.drainSeconds" -}}
{{- $config := .root.Values.config -}}
{{- if eq .component "front" -}}
{{- $drain := $config.front.drain -}}
{{ add (include "inrush.seconds" $drain.grace) (include "inrush.seconds" $drain.timeout) 15 }}
{{- else if eq .component "fulfilment" -}}
{{ add (include "inrush.seconds" $config.fulfilment.drain_timeout) 35 }}
{{- else -}}
35
{{- end -}}
{{- end }}

{{/* The shortest grace period in which nothing is aborted. */}}
{{- define "inrush.neededGraceSeconds" -}}
{{ add (default 0 .values.preStopSeconds) (include "inrush.drainSeconds" .) }}
{{- end }}

{{- define "inrush.graceSeconds" -}}
{{ default (include "inrush.neededGraceSeconds" .) .values.terminationGracePeriodSeconds }}
{{- end }}

{{/* Kubernetes has a sleep hook since 1.30; the image has no program to sleep with. */}}
{{- define "inrush.canSleep" -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version -}}true{{- end -}}
{{- end }}
