/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S4: only the core opens, with a lease that lasted when its job began (a pause's has no end), in
 * the term in which its node leads and its promotion is committed, and the semi-sync settings are
 * those that the record and every unresolved grow demand before read_only is 0: with members in the
 * set the source side is on and waits for every one of them (MariaDB: there is one at most).
 */
#include "sim/world_private.h"

static void check_settings(struct world *w, unsigned node)
{
    const struct server *s = &w->host[node].server;
    uint32_t set = w->committed->in_sync | check_s2_unresolved(w, node);
    unsigned members = (unsigned)__builtin_popcount(set);
    if (members == 0)
        return;
    if (!s->source_side)
        sim_violation(w, "S4: %s opens with %u members and its source side off", sim_name(w, node),
                      members);
    if (w->mariadb ? members > 1 : s->wait_count < members)
        sim_violation(w, "S4: %s opens with %u members and waits for %u", sim_name(w, node),
                      members, s->wait_count);
}

void check_s4_statement(struct world *w, unsigned node, const struct sql_statement *st)
{
    const struct record *r = w->committed;
    if (st->kind != SQL_READ_ONLY_OFF)
        return;
    if (!st->open) {
        sim_violation(w, "S4: %s is opened by something else than OPEN", sim_name(w, node));
        return;
    }
    if (!st->leased && !r->paused && !r->endless)
        sim_violation(w, "S4: %s is opened without a lease", sim_name(w, node));
    if (r->writer != node)
        sim_violation(w, "S4: %s is opened and the writer is %s", sim_name(w, node),
                      sim_name(w, r->writer));
    if (st->term < r->epoch)
        sim_violation(w, "S4: %s is opened in term %llu before its epoch %llu", sim_name(w, node),
                      (unsigned long long)st->term, (unsigned long long)r->epoch);
    check_settings(w, node);
}
