package deploy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// manifestBreaks are ways to break what an overlay makes, by overlay.
var manifestBreaks = map[string][]misfit{
	"overlays/production": {
		{"ScaledObject/worker spec minReplicaCount", "0", "ScaledObject worker: scales from 0"},
		{"ScaledObject/worker spec maxReplicas", "6", `unknown field "spec.maxReplicas"`},
		{
			"ScaledObject/worker spec triggers 0 metadata query", "up",
			"ScaledObject worker: looks at",
		},
		{"ScaledObject/worker spec triggers 0 metadata threshold", "'0'", "has no target"},
		{
			"ScaledObject/worker spec scaleTargetRef name", "workers",
			"worker: replicas must be set by the manifest or by KEDA",
		},
		{"Deployment/enqueuer spec replicas", "0", "enqueuer: has no replica"},
		{
			"ConfigMap/tuma-providers- data LIPAD_BASE_URL", "http://lipad.example",
			"must be https",
		},
		{"ConfigMap/tuma-providers- data LIPAD_BASE_URL", "", "ConfigMap tuma-providers-"},
		{
			"ConfigMap/tuma-config- data tuma.yaml", "'state: {min_replica: 1}'",
			"there is no such setting",
		},
		{
			"NetworkPolicy/to-redis spec egress 0 to 0 ipBlock cidr", "10.0.0.0/8",
			"policy to-redis lets it reach all of 10.0.0.0/8 at port 6379",
		},
		{
			"ConfigMap/tuma-settings- data TUMA_PROVIDER", "lipad",
			"TUMA_PROVIDER: internal/config",
		},
		{
			"Deployment/worker pod volumes lipad secret items lipad_consumer_key key",
			"lipad_key", "the Secret tuma has no key lipad_key",
		},
	},
	"overlays/trial": {
		// What the API server would refuse, or drop without a word.
		{
			"Deployment/enqueuer pod enableServiceLink", "false",
			`unknown field "spec.template.spec.enableServiceLink"`,
		},
		{"Deployment/enqueuer spec strategy rollingUpdate maxunavailable", "1", "unknown field"},
		{"Deployment/enqueuer pod nodeSelector", "{a: b, a: b}", "already set in map"},
		{
			"PodDisruptionBudget/enqueuer kind", "PodDisruptionsBudget",
			"nothing here decodes policy/v1",
		},
		{
			"Deployment/enqueuer container resources limits memory", "512Mo",
			"Deployment enqueuer: quantities must match",
		},
		{"Deployment/enqueuer metadata namespace", "default", `is in namespace "default"`},
		// Variables, files and times.
		{
			"Deployment/inlet container env TUMA_HTTP_TOKENS_FILE name", "TUMA_HTTP_TOKEN_FILE",
			"internal/config knows no such",
		},
		{
			"Deployment/inlet container env TUMA_HTTP_TOKENS_FILE", "",
			"inlet: does not start without TUMA_HTTP_TOKENS",
		},
		{
			"Deployment/inlet container env TUMA_HTTP_TOKENS_FILE name", "TUMA_HTTP_TOKENS",
			"TUMA_HTTP_TOKENS: a secret must be given as a file",
		},
		{
			"Deployment/inlet pod volumes secrets secret items tuma_http_tokens path", "tokens",
			"tuma_http_tokens: is not mounted",
		},
		{
			"Deployment/worker container volumeMounts africastalking mountPath",
			"/run/secrets/at", "is not mounted",
		},
		{
			"Deployment/worker pod volumes secrets secret items worker_redis_url key",
			"redis_url", "worker: the Secret tuma has no key redis_url",
		},
		{
			"Deployment/enqueuer pod terminationGracePeriodSeconds", "40",
			"enqueuer: has 40s to stop and may need 40s",
		},
		{
			"Deployment/enqueuer pod terminationGracePeriodSeconds", "",
			"has no terminationGracePeriodSeconds",
		},
		{
			"ConfigMap/tuma-providers- data AFRICASTALKING_USERNAME", "''",
			"AFRICASTALKING_USERNAME: missing",
		},
		{
			"Deployment/worker container env TUMA_OPS_ADDR value", "127.0.0.1:9101",
			"worker: listens for ops on",
		},
		{
			"Deployment/poller container env TUMA_CALLBACK_ADDR value", ":8082",
			"poller: listens for callbacks on 8082",
		},
		{"Deployment/worker container command 0", "workers", "workers is not in the image"},
		{"Deployment/enqueuer container image", "tuma", "enqueuer: image tuma has no version"},
		{
			"StatefulSet/redis container image", "redis:latest",
			"redis: image redis:latest has no version",
		},
		{
			"Deployment/enqueuer container envFrom 0 configMapRef name", "settings",
			"there is no ConfigMap settings",
		},
		// Rights.
		{"Deployment/enqueuer pod automountServiceAccountToken", "true", "has a token"},
		{
			"Deployment/enqueuer pod securityContext runAsNonRoot", "false",
			"enqueuer: may run as root",
		},
		{"Deployment/enqueuer pod securityContext runAsUser", "0", "enqueuer: has no user"},
		{
			"Deployment/enqueuer pod securityContext fsGroup", "",
			"enqueuer: cannot read its secrets",
		},
		{
			"Deployment/enqueuer pod securityContext seccompProfile type", "Unconfined",
			"enqueuer: has no seccomp profile",
		},
		{
			"Deployment/enqueuer container securityContext readOnlyRootFilesystem", "false",
			"enqueuer: has rights",
		},
		{
			"Deployment/enqueuer container securityContext privileged", "true",
			"enqueuer: has rights",
		},
		{
			"Deployment/enqueuer container securityContext capabilities drop 0", "NET_RAW",
			"enqueuer: has rights",
		},
		{"Deployment/enqueuer pod hostNetwork", "true", "enqueuer: shares"},
		{"Deployment/enqueuer container resources limits memory", "", "enqueuer: has no sizes"},
		{"StatefulSet/redis container resources limits memory", "1Gi", "redis: has 1073741824"},
		// Probes, labels, services, budgets.
		{
			"Deployment/enqueuer container livenessProbe httpGet path", "/health",
			"enqueuer: has a probe that is not /healthz",
		},
		{"Deployment/enqueuer container readinessProbe", "", "enqueuer: has no probe of /readyz"},
		{
			"Deployment/enqueuer spec template metadata annotations prometheus.io/port", "'9100'",
			"enqueuer: prometheus.io/port",
		},
		{
			"Deployment/worker spec template metadata labels app.kubernetes.io/component",
			"poller", "poller: selects the pods of",
		},
		{
			"Service/callbacks spec ports callbacks targetPort", "callback",
			"Service callbacks: poller has no port",
		},
		{
			"Service/inlet spec selector app.kubernetes.io/component", "inlets",
			"Service inlet: selects []",
		},
		{
			"PodDisruptionBudget/worker spec selector matchLabels app.kubernetes.io/component",
			"work", "worker: has 0 disruption budgets",
		},
		{"PodDisruptionBudget/enqueuer spec maxUnavailable", "0", "must let one pod go"},
		// Ways in and out.
		{
			"NetworkPolicy/nothing spec podSelector", "{matchLabels: {a: b}}",
			"no policy closes every pod",
		},
		{
			"NetworkPolicy/to-redis spec egress 0 ports 0 port", "6380",
			"reaches nothing at port 6379",
		},
		{
			"NetworkPolicy/to-providers spec egress 0 ports 0 port", "8443",
			"reaches port 8443 without",
		},
		{
			"NetworkPolicy/from-providers spec ingress 0 ports 0 port", "callback",
			"poller: nobody reaches port callbacks",
		},
		{
			"NetworkPolicy/from-providers spec ingress 0 from", "",
			"policy from-providers lets everybody in",
		},
		{
			"NetworkPolicy/to-providers spec podSelector matchExpressions 0 values worker", "",
			"worker: reaches nothing at port 443",
		},
		{
			"NetworkPolicy/to-providers spec egress 0 ports", "",
			"policy to-providers lets it reach every port",
		},
		{
			"NetworkPolicy/to-redis spec egress 0 to", "",
			"policy to-redis lets it reach everything at its ports",
		},
		{
			"NetworkPolicy/to-redis spec egress 0 to 0 podSelector matchLabels app.kubernetes.io/name",
			"tuma", "policy to-redis lets it reach [enqueuer inlet worker poller] at port 6379",
		},
		{
			"NetworkPolicy/to-redis spec egress 0 to 0 podSelector", "{}",
			"policy to-redis lets it reach pods of all kinds at port 6379",
		},
		{
			"NetworkPolicy/dns spec egress 0 to 0 namespaceSelector matchLabels kubernetes.io/metadata.name",
			"tuma", "policy dns lets it reach [] at port 53",
		},
		{
			"NetworkPolicy/to-providers spec egress 0 to 0 ipBlock except 10.0.0.0/8", "",
			"policy to-providers lets it reach the cluster at port 443",
		},
		{"NetworkPolicy/dns spec podSelector", "{}", "redis: reaches port 53 without need"},
	},
}

func TestManifestBreaksAreNoticed(t *testing.T) {
	t.Parallel()
	secrets := newSecrets(t)
	for overlay, breaks := range manifestBreaks {
		whole := build(t, overlay)
		for _, b := range breaks {
			t.Run(b.found, func(t *testing.T) {
				t.Parallel()
				problems := examine(t, overlay, b.apply(t, whole), secrets)
				require.NotEmpty(t, problems)
				requireFound(t, problems, b.found)
			})
		}
	}
}
