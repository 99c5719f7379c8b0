/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a running topology in both directions from some servers on: to the sources that SHOW
 * REPLICA STATUS names, and to the replicas that SHOW REPLICAS and the sessions reading the binlog
 * show. Blocks; each question has a deadline. Reads only.
 *
 * Two addresses that lead to one server (a virtual address) are found by a user lock, which one
 * session takes and the other sees: numbers and names may be the same on a copied server.
 */
#ifndef TANDEM_APP_ADOPT_SURVEY_H
#define TANDEM_APP_ADOPT_SURVEY_H

#include <stdbool.h>

#include "app/sql_session.h"
#include "cli/adopt_order.h"
#include "wire/survey.h"

#define ADOPT_STATEMENT_MS 10000

struct adopt_sites {
    const struct adopt_order *order;
    struct survey survey;
    struct sql_session *sessions[SURVEY_SERVERS_MAX]; /* of survey.servers */
};

/* Fills the survey, links included. What is not reached is in survey.lost. ERR_NOMEM; ERR_NOTFOUND:
 * no server at all. */
int adopt_survey_find(struct adopt_sites *sites) NODISCARD;
/* Looks at all servers again, replicas before their sources, so that a set that is compared with
 * its source's is the older one. root: where the tree begins, a ring of sources included;
 * NODE_NONE. ERR_*: *msg names the server. */
int adopt_survey_look(struct adopt_sites *sites, unsigned root, struct errmsg *msg) NODISCARD;
/* ... at one. */
int adopt_survey_look_one(struct adopt_sites *sites, unsigned server, struct errmsg *msg) NODISCARD;
/* ... over any session; host, port and links of *out are left alone. */
int adopt_look_at(struct sql_session *session, struct survey_server *out) NODISCARD;
/* connect_errors and powers of a server that was looked at, which no step depends on: what is not
 * answered stays not known. Costs more than all else: once, not in a loop. */
void adopt_look_aside(struct sql_session *session, struct survey_server *out);
void adopt_survey_free(struct adopt_sites *sites);

/* A numeric address of a host's name; false if it has none. */
bool adopt_resolve(const char *name, char ret_host[ADDRESS_TEXT_MAX]);
/* Position of the server at that place; NODE_NONE. */
unsigned adopt_survey_at(const struct survey *survey, const struct adopt_place *place);
/* "172.17.0.10:3306", "[fd00::1]:3306". Returns buf. */
const char *adopt_place_text(const char *host, uint16_t port, char *buf, size_t size);
#define ADOPT_PLACE_TEXT_MAX (ADDRESS_TEXT_MAX + 10)

#endif
