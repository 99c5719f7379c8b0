/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GTID sets of both server families as bounded values: parse, format, compare, subtract, count.
 * Pure; nothing is allocated; every set has a fixed size and may be copied with `=`.
 *
 * Three flavours, because the same text means different things:
 *
 *   GTID_MYSQL          a mathematical set: intervals per source (uuid and, from 8.3 on, tag).
 *                       gtid_executed, Retrieved_Gtid_Set, GTID_SUBTRACT ... All operations exact.
 *   GTID_MARIADB        a position: the last GTID of each replication domain. gtid_slave_pos,
 *                       gtid_binlog_pos, gtid_current_pos. Everything of that domain with a lower
 *                       or equal sequence number counts as contained, WHOEVER wrote it: holes, and
 *                       a foreign transaction with a number the other side has used too, cannot be
 *                       seen. 0-2-150 "contains" the phantom 0-1-101.
 *   GTID_MARIADB_STATE  the last sequence number of each (domain, server_id): gtid_binlog_state, a
 *                       GTID_LIST event. Contained means: that server_id, up to that number. Sees
 *                       the phantom above (state 0-1-100,0-2-150 does not contain 0-1-101); still
 *                       blind to holes within one server_id. It knows only what passed through that
 *                       binlog: form the union with gtid_slave_pos before using it as "all that
 * this node has" (a node built from a backup starts with an empty binlog).
 *
 * Rule for MariaDB: the containing side decides. gtid_contains(state, x) compares per server_id,
 * gtid_contains(position, x) per domain. To ask what a node has that the writer lacks (S7,
 * replication notes 4.6) the writer's set must be a state. MySQL and MariaDB sets never mix: such a
 * call is ERR_INVAL or "not contained".
 *
 * Every set built by this module is canonical (sorted, merged, no empty source), so equal sets are
 * equal member by member. Texts may contain blanks and newlines after commas, as servers print
 * them.
 */
#ifndef TANDEM_WIRE_GTID_H
#define TANDEM_WIRE_GTID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define GTID_SOURCES_MAX 32
#define GTID_INTERVALS_MAX 128
#define GTID_TAG_MAX 33 /* 32 characters and NUL */
#define GTID_ONE_TEXT_MAX 96

enum gtid_flavour { GTID_MYSQL, GTID_MARIADB, GTID_MARIADB_STATE, GTID_FLAVOUR_COUNT };

/* One transaction's id. `flavour` says which members are meant; GTID_MARIADB_STATE is not used. */
struct gtid {
    enum gtid_flavour flavour;
    uint8_t uuid[16];       /* MySQL */
    char tag[GTID_TAG_MAX]; /* MySQL 8.3+: lower case, "" = none */
    uint32_t domain;        /* MariaDB */
    uint32_t server_id;     /* MariaDB */
    uint64_t number;        /* both; 1 .. 2^63-2 for MySQL */
};

struct gtid_source {
    uint8_t uuid[16];
    char tag[GTID_TAG_MAX];
};

/* MySQL: numbers first..last of sources[source]. MariaDB: last number of (domain, server_id). */
struct gtid_interval {
    uint64_t first;
    uint64_t last;
    uint32_t source; /* MySQL: index of sources; MariaDB: domain */
    uint32_t server_id;
};

struct gtid_set {
    enum gtid_flavour flavour;
    uint16_t source_count;
    uint16_t interval_count;
    struct gtid_source sources[GTID_SOURCES_MAX];
    struct gtid_interval intervals[GTID_INTERVALS_MAX];
};

/* The empty set. */
void gtid_init(struct gtid_set *set, enum gtid_flavour flavour);

/* Text of a server to set; NULL or "" is the empty set. A GTID_MARIADB text with several server_ids
 * in one domain keeps the highest number of the domain. ERR_FORMAT, ERR_FULL (bounds above). */
int gtid_parse(const char *text, enum gtid_flavour flavour, struct gtid_set *ret_set) NODISCARD;
/* One GTID: "uuid:7", "uuid:tag:7" or "0-1-7". */
int gtid_parse_one(const char *text, enum gtid_flavour flavour, struct gtid *ret_gtid) NODISCARD;

/* Canonical text, NUL-terminated, no newlines; servers accept it back. ERR_FULL if it does not fit
 * (buf is then ""). */
int gtid_format(const struct gtid_set *set, char *buf, size_t size) NODISCARD;
/* Never fails with size >= GTID_ONE_TEXT_MAX. Returns buf. */
const char *gtid_format_one(const struct gtid *gtid, char *buf, size_t size);

bool gtid_is_empty(const struct gtid_set *set);
/* Every transaction of `part` is in `whole`, by the rule of whole's flavour. */
bool gtid_contains(const struct gtid_set *whole, const struct gtid_set *part);
bool gtid_contains_one(const struct gtid_set *whole, const struct gtid *gtid);
/* Same flavour and same members (MariaDB positions: server_ids count as well). */
bool gtid_equal(const struct gtid_set *a, const struct gtid_set *b);
bool gtid_one_equal(const struct gtid *a, const struct gtid *b);

/* What `from` has and `minus` lacks. MariaDB: the entries of `from` that `minus` does not contain;
 * such an entry names the last missing transaction, not how many. ret_set may be an input.
 * ERR_FULL (cutting can make more intervals), ERR_INVAL (MySQL with MariaDB). */
int gtid_subtract(const struct gtid_set *from, const struct gtid_set *minus,
                  struct gtid_set *ret_set) NODISCARD;
/* Everything of both. A state joined with a position is a state. ERR_FULL, ERR_INVAL. */
int gtid_union(const struct gtid_set *a, const struct gtid_set *b,
               struct gtid_set *ret_set) NODISCARD;
/* Adds one transaction (MariaDB: raises the entry). ERR_FULL, ERR_INVAL; the set is then unchanged.
 */
int gtid_add(struct gtid_set *set, const struct gtid *gtid) NODISCARD;

/* Number of transactions: MySQL exact; MariaDB the sum of the domains' highest numbers. Saturates.
 */
uint64_t gtid_count(const struct gtid_set *set);
/* How many transactions `behind` lacks of `ahead`: MySQL exact. MariaDB: per domain the difference
 * of the highest numbers; if that is not positive though entries are missing (divergence), the
 * difference per server_id. 0 if and only if gtid_contains(behind, ahead). Saturates. */
uint64_t gtid_distance(const struct gtid_set *ahead, const struct gtid_set *behind);

/* For display: the transaction with the highest number. False for the empty set. */
bool gtid_max(const struct gtid_set *set, struct gtid *ret_gtid);

#endif
