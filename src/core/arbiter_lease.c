/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arbiter_lease.h"

#include <assert.h>
#include <string.h>

void arbiter_lease_init(struct arbiter_lease *l, const struct arbiter_timing *timing, unsigned self)
{
    assert(self < NODES_MAX);
    memset(l, 0, sizeof *l);
    l->timing = *timing;
    l->self = self;
}

void arbiter_lease_elected(struct arbiter_lease *l, uint64_t term, uint32_t voters, int64_t now_us)
{
    assert(term >= l->term);
    l->is_leader = true;
    l->is_deaf = false;
    l->term = term;
    l->voters = voters;
    l->good_us = now_us;
    l->until_us = 0;
    memset(l->sent_us, 0, sizeof l->sent_us);
    memset(l->confirmed_us, 0, sizeof l->confirmed_us);
}

void arbiter_lease_deposed(struct arbiter_lease *l)
{
    l->is_leader = false;
    l->is_deaf = false;
}

void arbiter_lease_set_voters(struct arbiter_lease *l, uint32_t voters)
{
    l->voters = voters;
}

int64_t arbiter_lease_nonce(struct arbiter_lease *l, unsigned to, int64_t now_us)
{
    assert(to < NODES_MAX);
    l->nonce = now_us > l->nonce ? now_us : l->nonce + 1;
    l->sent_us[to] = l->nonce;
    return l->nonce;
}

bool arbiter_lease_echo(struct arbiter_lease *l, unsigned from, uint64_t term, int64_t nonce)
{
    assert(from < NODES_MAX);
    if (!l->is_leader || term != l->term || nonce > l->sent_us[from] ||
        nonce <= l->confirmed_us[from])
        return false;
    l->confirmed_us[from] = nonce;
    return true;
}

/* The newest time that `needed` voters have confirmed; 0 = none. */
static int64_t newest_confirmed(const struct arbiter_lease *l, unsigned needed, int64_t now_us)
{
    int64_t best_us = 0;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        int64_t at_us = i == l->self ? now_us : l->confirmed_us[i];
        unsigned reached = 0;
        if ((l->voters >> i & 1) == 0 || at_us == 0)
            continue;
        for (unsigned j = 0; j < NODES_MAX; j++)
            if ((l->voters >> j & 1) != 0 && (j == l->self ? now_us : l->confirmed_us[j]) >= at_us)
                reached++;
        if (reached >= needed && at_us > best_us)
            best_us = at_us;
    }
    return best_us;
}

int64_t arbiter_lease_end(const struct arbiter_lease *l, int64_t now_us)
{
    unsigned n = (unsigned)__builtin_popcount(l->voters);
    int64_t confirmed_us;
    if (!l->is_leader || n == 0)
        return 0;
    confirmed_us = newest_confirmed(l, n / 2 + 1, now_us);
    if (confirmed_us == 0)
        return 0;
    /* Nonces given out within one microsecond run ahead of the clock. */
    if (confirmed_us > now_us)
        confirmed_us = now_us;
    return confirmed_us + l->timing.election_timeout_us - l->timing.margin_us;
}

bool arbiter_lease_is_deaf(struct arbiter_lease *l, int64_t now_us)
{
    int64_t end_us = arbiter_lease_end(l, now_us);
    int64_t had_us = l->until_us < now_us ? l->until_us : now_us;
    if (!l->is_leader)
        return false;
    if (had_us > l->good_us)
        l->good_us = had_us;
    /* An end that has passed when it becomes known was never a lease: echoes that always come too
     * late would go on moving it, and nobody else could be elected meanwhile. */
    if (end_us > now_us) {
        l->good_us = now_us;
        l->until_us = end_us;
    }
    if (now_us - l->good_us > l->timing.election_timeout_us / 2)
        l->is_deaf = true;
    return l->is_deaf;
}
