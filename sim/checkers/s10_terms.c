/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S10: a statement that changes a server on behalf of an older term never takes effect after one of
 * a newer term, however late it arrives.
 */
#include "sim/world_private.h"

void check_s10_statement(struct world *w, unsigned node, const struct sql_statement *st)
{
    uint64_t *newest = &w->checks.statement_term[node];
    if (st->term < *newest)
        sim_violation(w, "S10: '%s' of term %llu on %s after one of term %llu",
                      sim_statement_text(st->kind), (unsigned long long)st->term, sim_name(w, node),
                      (unsigned long long)*newest);
    else
        *newest = st->term;
}
