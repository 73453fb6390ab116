/** Labels and name prefixes that carry meaning between resources (libcalico-go). */

export const namespaceLabel = 'projectcalico.org/namespace';
export const serviceAccountLabel = 'projectcalico.org/serviceaccount';
export const orchestratorLabel = 'projectcalico.org/orchestrator';
/** The name of the object itself, as its profile gives it with a prefix. */
export const nameLabel = 'projectcalico.org/name';

/** Prefix of a namespace's labels where endpoints inherit them from the namespace's profile. */
export const namespaceLabelPrefix = 'pcns.';
/** Prefix of a service account's labels where endpoints inherit them. */
export const serviceAccountLabelPrefix = 'pcsa.';

/** Prefix of the names of profiles that stand for namespaces. */
export const namespaceProfilePrefix = 'kns.';
/** Prefix of the names of profiles that stand for service accounts: `ksa.NAMESPACE.NAME`. */
export const serviceAccountProfilePrefix = 'ksa.';
