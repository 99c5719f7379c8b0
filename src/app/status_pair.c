/* SPDX-License-Identifier: Apache-2.0 */
/* What a pair without a quorum can and cannot promise, in the words of `status`. */
#include "app/status_parts.h"

#define STRANGER_SILENT_ADVERTS 5 /* so many intervals, and nobody advertises any more */

void status_pair_guarantee(const struct core *core, char *ret_text, size_t size)
{
    const struct cluster_config *c = core->cfg;
    const char *a = c->nodes[0].name, *b = c->nodes[1].name;
    bool strict = c->policy.durability == CONFIG_DURABILITY_STRICT;
    int n;
    if (c->vrrp.arbitration[0] != '\0')
        n = snprintf(
            ret_text, size,
            "no quorum. One writer, and nothing acknowledged is lost, as long as %s and %s "
            "reach each other or only one of them reaches %s; if both do, both write and "
            "one side's commits are set aside",
            a, b, c->vrrp.arbitration);
    else
        n = snprintf(
            ret_text, size,
            "no quorum and no arbitration address. When %s or %s falls silent the other "
            "one takes over by hand only (tandem failover), and whoever orders that vouches "
            "that the silent one does not write",
            a, b);
    if (n > 0 && (size_t)n < size)
        (void)snprintf(ret_text + n, size - (size_t)n, "%s",
                       strict ? "; while one is away no commit ends" : "");
}

void status_pair_stranger(const struct core *core, int64_t silent_us, char *ret_text, size_t size)
{
    unsigned other = 1u - core->self;
    int64_t limit_us = (int64_t)core->cfg->vrrp.advert_interval_ms * 1000 * STRANGER_SILENT_ADVERTS;
    ret_text[0] = '\0';
    if (core->view[other].up || silent_us > limit_us)
        return;
    (void)snprintf(ret_text, size,
                   "%s: advertises the virtual address, and no agent answers there: if that is a "
                   "Keepalived, neither rule holds: it does not wait until this host is closed, "
                   "so both may write, and it takes over whatever its server lacks, so "
                   "acknowledged commits are lost; run an agent there",
                   core_name(core, other));
}

/* Degraded: the one thing that a pair does and a quorum would not have to. */
bool status_pair_is_alone(const struct core *core)
{
    const struct report *w =
        core->record.writer < core->cfg->n_nodes ? core_report(core, core->record.writer) : NULL;
    return config_is_pair(core->cfg) && w != NULL && core_is_fresh(core, core->record.writer) &&
           w->open && core->record.in_sync == 0 &&
           core->cfg->policy.durability == CONFIG_DURABILITY_AVAILABLE;
}
