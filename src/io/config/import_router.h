/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: the virtual routers of one node's keepalived.conf. Each instance that is
 * taken is one: it has a number, and says whether what is sent to its addresses is accepted.
 *
 * One of them, side->instance, is the database's: the one that was asked for; else the first whose
 * addresses are answered, since clients talk to them; else the first. Its number becomes that of
 * block vrrp, and all addresses that are advertised with it are answered. Those of another number
 * keep it, and are answered or only held as they were.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_ROUTER_H
#define TANDEM_IO_CONFIG_IMPORT_ROUTER_H

#include <stdbool.h>

#include "io/config/import_side.h"

/* Statements of an instance, and those of global_defs, that import_tell_routers() settles. */
bool import_is_router(const struct keepalived_statement *s);
bool import_is_strict(const struct keepalived_statement *s);
/* Sets side->instance. wanted: its name, NULL: to be found. */
void import_choose_router(struct import_side *side, const char *wanted);
/* Its number, as written. */
const char *import_router_id(const struct keepalived_statement *instance);
/* Whether it is the database's, or has its number. */
bool import_is_database(const struct import_side *side,
                        const struct keepalived_statement *instance);
/* Of VRRP, and not 3. */
bool import_is_version_2(const struct import_side *side,
                         const struct keepalived_statement *instance);
/* False: what Keepalived 2.2 drops at its addresses is dropped on. */
bool import_accepts(const struct import_side *side, const struct keepalived_statement *instance);
/* vrrp: whether that is the arbiter; with raft there are no virtual routers, and nothing is noted
 * of the order of their addresses. */
void import_tell_routers(const struct import_side *side, bool vrrp);

#endif
