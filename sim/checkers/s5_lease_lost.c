/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S5: losing the lease fences, whether or not the agent still works: no client gets an OK from a
 * node after the end of its lease in true time, nor while another node leads a newer term. A
 * pause is the exception that the operator ordered: until its lease without end is taken back.
 */
#include "sim/world_private.h"

void check_s5_ack(struct world *w, unsigned node)
{
    if (!sim_lease_lives(w, node))
        sim_violation(w, "S5: a client of %s heard OK after the lease had ended",
                      sim_name(w, node));
    bool paused = w->committed->paused || w->committed->endless || check_is_abandoned(w, node);
    if (w->leader != node && w->leader != NODE_NONE && !paused)
        sim_violation(w, "S5: a client of %s heard OK while %s leads", sim_name(w, node),
                      sim_name(w, w->leader));
}
