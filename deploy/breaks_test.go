package deploy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// resolver is the end of the policy that lets pods ask for names, up to the pods.
const resolver = `      podSelector:
        matchLabels:
          k8s-app: kube-dns
  podSelector:
`

// manifestBreaks are ways to break what an overlay makes, by overlay. The rendered text has the
// kinds in a fixed order and its fields sorted.
var manifestBreaks = map[string][]breakage{
	"overlays/production": {
		{"minReplicaCount: 1", "minReplicaCount: 0", "ScaledObject worker: scales from 0"},
		{"maxReplicaCount: 6", "maxReplicas: 6", `unknown field "spec.maxReplicas"`},
		{`queue="lipad"`, `queue="lipids"`, "ScaledObject worker: looks at"},
		{"threshold: \"4\"", "threshold: \"0\"", "has no target"},
		{
			"kind: Deployment\n    name: worker", "kind: Deployment\n    name: workers",
			"worker: replicas must be set by the manifest or by KEDA",
		},
		{"replicas: 2", "replicas: 0", "enqueuer: has no replica"},
		{"LIPAD_BASE_URL: https://", "LIPAD_BASE_URL: http://", "must be https"},
		{"LIPAD_BASE_URL: https://", "LIPAD_URL: https://", "ConfigMap tuma-providers-"},
		{"min_replicas: 1", "min_replica: 1", "there is no such setting"},
		{
			"cidr: 192.0.2.10/32", "cidr: 10.0.0.0/8",
			"policy to-redis lets it reach all of 10.0.0.0/8 at port 6379",
		},
		{"TUMA_DEFAULT_PROVIDER: lipad", "TUMA_PROVIDER: lipad", "TUMA_PROVIDER: internal/config"},
		{"key: lipad_consumer_key", "key: lipad_key", "the Secret tuma has no key lipad_key"},
	},
	"overlays/trial": {
		// What the API server would refuse, or drop without a word.
		{
			"      enableServiceLinks: false\n", "      enableServiceLink: false\n",
			`unknown field "spec.template.spec.enableServiceLink"`,
		},
		{"maxUnavailable: 0", "maxUnavailable: 0\n      maxunavailable: 1", "unknown field"},
		{
			"      enableServiceLinks: false\n",
			"      enableServiceLinks: false\n      enableServiceLinks: false\n", "already set in map",
		},
		{"kind: PodDisruptionBudget", "kind: PodDisruptionsBudget", "nothing here decodes policy/v1"},
		{"memory: 512Mi", "memory: 512Mo", "Deployment enqueuer: quantities must match"},
		{"  namespace: tuma\n", "  namespace: default\n", `is in namespace "default"`},
		// Variables, files and times.
		{"name: TUMA_HTTP_TOKENS_FILE", "name: TUMA_HTTP_TOKEN_FILE", "internal/config knows no such"},
		{
			"        - name: TUMA_HTTP_TOKENS_FILE\n" +
				"          value: /run/secrets/tuma/tuma_http_tokens\n", "",
			"inlet: does not start without TUMA_HTTP_TOKENS",
		},
		{"- name: TUMA_HTTP_TOKENS_FILE\n          value: /run", "- name: TUMA_HTTP_TOKENS\n" +
			"          value: /run", "TUMA_HTTP_TOKENS: a secret must be given as a file"},
		{"path: tuma_http_tokens", "path: tokens", "tuma_http_tokens: is not mounted"},
		{"mountPath: /run/secrets/africastalking", "mountPath: /run/secrets/at", "is not mounted"},
		{"key: worker_redis_url", "key: redis_url", "worker: the Secret tuma has no key redis_url"},
		{
			"terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 40",
			"enqueuer: has 40s to stop and may need 40s",
		},
		{"      terminationGracePeriodSeconds: 60\n", "", "has no terminationGracePeriodSeconds"},
		{
			"AFRICASTALKING_USERNAME: sandbox", "AFRICASTALKING_USERNAME: \"\"",
			"AFRICASTALKING_USERNAME: missing",
		},
		{"value: :9101", "value: 127.0.0.1:9101", "worker: listens for ops on"},
		{"value: :8081", "value: :8082", "poller: listens for callbacks on 8082"},
		{
			"        - worker\n        env", "        - workers\n        env",
			"workers is not in the image",
		},
		{"image: tuma:0.1.0", "image: tuma", "enqueuer: image tuma has no version"},
		{"image: redis:7.4.6", "image: redis:latest", "redis: image redis:latest has no version"},
		{"name: tuma-settings-", "name: settings-", "there is no ConfigMap settings-"},
		// Rights.
		{"automountServiceAccountToken: false", "automountServiceAccountToken: true", "has a token"},
		{"runAsNonRoot: true", "runAsNonRoot: false", "enqueuer: may run as root"},
		{"runAsUser: 65532", "runAsUser: 0", "enqueuer: has no user"},
		{"        fsGroup: 65532\n", "", "enqueuer: cannot read its secrets"},
		{"type: RuntimeDefault", "type: Unconfined", "enqueuer: has no seccomp profile"},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "enqueuer: has rights"},
		{"allowPrivilegeEscalation: false", "privileged: true", "enqueuer: has rights"},
		{"            - ALL\n", "            - NET_RAW\n", "enqueuer: has rights"},
		{"      enableServiceLinks: false\n", "      hostNetwork: true\n", "enqueuer: shares"},
		{"limits:\n            memory: 512Mi", "limits:\n            cpu: 1", "enqueuer: has no sizes"},
		{"limits:\n            memory: 2Gi", "limits:\n            memory: 1Gi", "redis: has 1073741824"},
		// Probes, labels, services, budgets.
		{"path: /healthz", "path: /health", "enqueuer: has a probe that is not /healthz"},
		{"readinessProbe", "startupProbe", "enqueuer: has no probe of /readyz"},
		{`prometheus.io/port: "9103"`, `prometheus.io/port: "9100"`, `enqueuer: prometheus.io/port`},
		{
			"      labels:\n        app.kubernetes.io/component: worker",
			"      labels:\n        app.kubernetes.io/component: poller", "poller: selects the pods of",
		},
		{"targetPort: callbacks", "targetPort: callback", "Service callbacks: poller has no port"},
		{
			"  selector:\n    app.kubernetes.io/component: inlet",
			"  selector:\n    app.kubernetes.io/component: inlets", "Service inlet: selects []",
		},
		{
			"maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/component: worker",
			"maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/component: work",
			"worker: has 0 disruption budgets",
		},
		{"spec:\n  maxUnavailable: 1", "spec:\n  maxUnavailable: 0", "must let one pod go"},
		// Ways in and out.
		{
			"  name: nothing\n  namespace: tuma\nspec:\n  podSelector: {}", "  name: nothing\n" +
				"  namespace: tuma\nspec:\n  podSelector:\n    matchLabels: {a: b}",
			"no policy closes every pod",
		},
		{
			"  - ports:\n    - port: 6379\n", "  - ports:\n    - port: 6380\n",
			"reaches nothing at port 6379",
		},
		{"  - ports:\n    - port: 443\n", "  - ports:\n    - port: 8443\n", "reaches port 8443 without"},
		{"    - port: callbacks\n", "    - port: callback\n", "poller: nobody reaches port callbacks"},
		{"  - from:\n    - namespaceSelector:\n        matchLabels:\n          tuma/ingress: \"true\"\n" +
			"    ports", "  - ports", "policy from-providers lets everybody in"},
		{"      - worker\n      - poller\n", "      - poller\n", "worker: reaches nothing at port 443"},
		{
			"  - ports:\n    - port: 443\n      protocol: TCP\n    to:", "  - to:",
			"policy to-providers lets it reach every port",
		},
		{
			"    - port: 6379\n      protocol: TCP\n    to:\n    - podSelector:\n        matchLabels:\n" +
				"          app.kubernetes.io/name: redis\n", "    - port: 6379\n      protocol: TCP\n",
			"policy to-redis lets it reach everything at its ports",
		},
		{
			"    to:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/name: redis",
			"    to:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/name: tuma",
			"policy to-redis lets it reach [enqueuer inlet worker poller] at port 6379",
		},
		{
			"    to:\n    - podSelector:\n        matchLabels:\n          app.kubernetes.io/name: redis",
			"    to:\n    - podSelector: {}",
			"policy to-redis lets it reach pods of all kinds at port 6379",
		},
		{"kube-system", "tuma", "policy dns lets it reach [] at port 53"},
		{"        - 10.0.0.0/8\n", "", "policy to-providers lets it reach the cluster at port 443"},
		{
			resolver + "    matchLabels:\n      app.kubernetes.io/name: tuma\n",
			strings.TrimSuffix(resolver, "\n") + " {}\n",
			"redis: reaches port 53 without need",
		},
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
