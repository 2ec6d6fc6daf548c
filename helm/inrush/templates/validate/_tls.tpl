{{- define "inrush.validate.tls" -}}
{{- $tls := .Values.tls }}
{{- $manager := $tls.certManager }}
{{- if $tls.enabled }}
{{- if not (or $tls.existingSecret $manager.enabled) }}
tls.enabled is true, and there is no certificate: name a Secret with tls.existingSecret, or set tls.certManager.enabled to true
{{- end }}
{{- if and $tls.existingSecret $manager.enabled }}
tls.existingSecret is {{ $tls.existingSecret }} and tls.certManager.enabled is true, which would overwrite it: use one of them
{{- end }}
{{- if and $manager.enabled (not $manager.issuerRef.name) }}
tls.certManager.issuerRef.name is empty: name the Issuer or ClusterIssuer that signs the certificate
{{- end }}
{{- if and $tls.clientCa.existingSecret .Values.sales (not $tls.clientCa.clientSecret) }}
tls.clientCa.clientSecret is empty, and with tls.clientCa.existingSecret the job that creates `sales` needs a certificate of its own: name a Secret with tls.crt, tls.key and ca.crt
{{- end }}
{{- if and .Values.orders.enabled (not .Values.config.orders.stock) }}
config.orders.stock is empty, and the bundled order system cannot ask a front with TLS (tls.enabled) for it: list the stock of each sale there, or set orders.enabled to false and use your own
{{- end }}
{{- else }}
{{- if $manager.enabled }}
tls.certManager.enabled is true and tls.enabled is false, so that the certificate would not be used: set tls.enabled to true
{{- end }}
{{- if $tls.clientCa.existingSecret }}
tls.clientCa.existingSecret is set and tls.enabled is false, so that no client certificate would be requested: set tls.enabled to true
{{- end }}
{{- end }}
{{- end }}
