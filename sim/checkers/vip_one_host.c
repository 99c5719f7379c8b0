/* SPDX-License-Identifier: Apache-2.0 */
/* The VIP is answered by at most one host: it has the address and a living lease of the kernel. */
#include "sim/world_private.h"

void check_vip_tick(struct world *w)
{
    unsigned n = world_holders(w);
    if (n > 1)
        sim_violation(w, "VIP: %u hosts answer for the address", n);
}
