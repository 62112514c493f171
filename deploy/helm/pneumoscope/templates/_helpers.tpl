{{- define "pneumoscope.name" -}}
{{- if contains "pneumoscope" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}-pneumoscope{{ end -}}
{{- end }}

{{/* What selects the pods of a part: (dict "root" $ "part" "service"). */}}
{{- define "pneumoscope.selector" -}}
app.kubernetes.io/name: pneumoscope
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "pneumoscope.labels" -}}
{{ include "pneumoscope.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The Secret of a part's files: (dict "root" $ "part" "service"). */}}
{{- define "pneumoscope.files" -}}
{{- if eq .part "service" }}{{ .root.Values.existingSecret }}{{ else }}{{ .root.Values.node.existingFiles }}{{ end }}
{{- end }}

{{/* What both kinds of pods have in common: (dict "root" $ "part" "service"). */}}
{{- define "pneumoscope.pod" -}}
serviceAccountName: {{ include "pneumoscope.name" .root }}
automountServiceAccountToken: false
# They would be taken for settings by whoever does not know them.
enableServiceLinks: false
# Longer than uploads that are under way are waited for, 35 s.
terminationGracePeriodSeconds: 45
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
volumes:
  # The heartbeat's file, and what libraries write by the way.
  - name: tmp
    emptyDir:
      sizeLimit: 256Mi
{{- with .root.Values.model.existingClaim }}
  - name: models
    persistentVolumeClaim:
      claimName: {{ . }}
      readOnly: true
{{- end }}
{{- if and .root.Values.record.existingClaim (eq .part "service") }}
  - name: record
    persistentVolumeClaim:
      claimName: {{ .root.Values.record.existingClaim }}
{{- end }}
{{- with include "pneumoscope.files" . }}
  - name: files
    secret:
      secretName: {{ . }}
      defaultMode: 0440
{{- end }}
{{- end }}

{{- define "pneumoscope.container" -}}
{{- $image := .root.Values.image -}}
image: {{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "pneumoscope.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .root.Values.model.existingClaim }}
- name: models
  mountPath: /srv/model_store
  readOnly: true
{{- end }}
{{- if and .root.Values.record.existingClaim (eq .part "service") }}
# One process writes into a folder.
- name: record
  mountPath: /var/lib/pneumoscope
  subPathExpr: $(POD_NAME)
{{- end }}
{{- if include "pneumoscope.files" . }}
- name: files
  mountPath: /etc/pneumoscope
  readOnly: true
{{- end }}
{{- end }}

{{/* Numbers of values are floats to Helm, which would write large ones as 4.194304e+06. */}}
{{- define "pneumoscope.settings" -}}
{{- range $name, $value := .values }}
- name: {{ $.prefix }}{{ $name }}
  value: {{ if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ printf "%.0f" $value | quote }}{{ else }}{{ $value | quote }}{{ end }}{{ else }}{{ $value | quote }}{{ end }}
{{- end }}
{{- end }}

{{/* What may be reached, and whether names are looked up: (dict "to" .to "dns" true). */}}
{{- define "pneumoscope.egress" -}}
{{- if or .to .dns }}
egress:
  {{- range .to }}
  - to:
      {{- toYaml .peers | nindent 6 }}
    ports:
      - port: {{ .port }}
  {{- end }}
  {{- if .dns }}
  - to:
      - namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: kube-system
    ports:
      - {port: 53, protocol: UDP}
      - {port: 53, protocol: TCP}
  {{- end }}
{{- else }}
# Nothing goes out.
egress: []
{{- end }}
{{- end }}

{{/* Who may ask: pods of the namespace, unless peers are named. */}}
{{- define "pneumoscope.peers" -}}
{{- if . }}{{ toYaml . }}{{ else }}- podSelector: {}{{ end }}
{{- end }}
