/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparisons of what two servers hold, on their facts. A text that cannot be read, a set that is
 * too large to judge, servers of two families or of one not yet known make every answer the careful
 * one: "not covered", "has extras".
 */
#ifndef TANDEM_CORE_SETS_H
#define TANDEM_CORE_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/server.h"

/* Everything of `part` (a text of a server of that flavour) has passed through `whole`: MySQL by
 * set, MariaDB by position, which is right only while both follow one line of history (S7 is
 * sets_extra). */
bool sets_cover(int flavour, const char *whole, const char *part);

/*
 * What `node` holds that `writer` does not (S7): MySQL executed minus executed; MariaDB per
 * domain and server id. True if there is something or it cannot be told; then ret_text names it.
 */
bool sets_extra(const struct server_facts *node, const struct server_facts *writer, char *ret_text,
                size_t size);

/*
 * Histories are one line: whoever was in order when a promotion was sealed holds a part of the seal
 * or all of it. False if `node` holds neither (or it cannot be told): then something in it belongs
 * to a branch that was cut off, although the writer may count other transactions under the same
 * numbers by now, since a rewound server uses them again. A MariaDB server made from a backup knows
 * older writers by the position alone, which is believed.
 */
bool sets_on_line(const struct server_facts *node, const char *seal);

/*
 * `extra`, the text of sets_extra(), may be commits that still wait on the writer: MySQL has them
 * in its binlog, and so may a replica, but does not count them as executed. They are the newest of
 * the writer's own.
 */
bool sets_may_wait(const struct server_facts *writer, const char *extra);

/* Transactions that `behind` lacks of `ahead`; UINT64_MAX if it cannot be told. */
uint64_t sets_distance(const struct server_facts *ahead, const struct server_facts *behind);

/* The same for what has reached `behind`, applied or not. */
uint64_t sets_distance_received(const struct server_facts *ahead,
                                const struct server_facts *behind);

/* The later of executed and received of one server, as text for sets_cover. */
const char *sets_received(const struct server_facts *f);

#endif
