{{/* The common templates of all services' pods. Each takes a part: a dict of `root`, `component` and the `values` of the
     component. */}}

{{/* The Deployment. `replicas` is omitted if an autoscaler sets it. `extra` has the additions of a part: env, volumes,
     volumeMounts, ports. */}}
{{- define "inrush.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "inrush.metadata" . | nindent 2 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    {{- toYaml .strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "inrush.selector" . | nindent 6 }}
  template:
    {{- include "inrush.pod" . | nindent 4 }}
{{- end }}

{{- define "inrush.pod" -}}
metadata:
  labels:
    {{- include "inrush.labels.pod" . | nindent 4 }}
    inrush.io/admin: "true"
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A changed configuration replaces the pods: a process reads the file at its start only.
    checksum/config: {{ include "inrush.config" . | sha256sum }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "inrush.serviceAccountName" .root }}
  {{- include "inrush.pod.common" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "inrush.graceSeconds" . }}
  {{- include "inrush.pod.placement" . | nindent 2 }}
  containers:
    - name: {{ .component }}
      {{- include "inrush.container.image" . | nindent 6 }}
      args: [{{ .component }}, --config, /etc/inrush/inrush.toml]
      env:
        {{- include "inrush.env" . | nindent 8 }}
        {{- with .extra.env }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        {{- with .extra.ports }}
        {{- . | nindent 8 }}
        {{- end }}
        - name: admin
          containerPort: {{ .root.Values.admin.port }}
      {{- include "inrush.probes" . | nindent 6 }}
      {{- if and .values.preStopSeconds (include "inrush.canSleep" .root) }}
      lifecycle:
        preStop:
          # Load balancers learn of the termination at the same time as this pod: the sleep gives them time to remove it.
          sleep:
            seconds: {{ .values.preStopSeconds }}
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/inrush/inrush.toml
          subPath: inrush.toml
          readOnly: true
        {{- with .extra.volumeMounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "inrush.part.name" . }}
    {{- with .extra.volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Disables what no pod of this release needs. Service variables are disabled too: they look like settings. */}}
{{- define "inrush.pod.common" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "inrush.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "inrush.container.image" -}}
image: {{ include "inrush.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{ include "inrush.container.security" . }}
{{- end }}

{{/* Spreads pods over zones and nodes, unless the values replace the constraints. */}}
{{- define "inrush.pod.placement" -}}
topologySpreadConstraints:
  {{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "inrush.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Probes by grpc.health.v1 on the plaintext admin port. Liveness fails only if the process hangs: while the store is
     unavailable the pod is not ready, but is not restarted. */}}
{{- define "inrush.probes" -}}
startupProbe:
  grpc:
    port: {{ .root.Values.admin.port }}
    service: liveness
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  grpc:
    port: {{ .root.Values.admin.port }}
    service: liveness
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  grpc:
    port: {{ .root.Values.admin.port }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
