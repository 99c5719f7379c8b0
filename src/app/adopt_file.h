/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster file of a survey, and what no server can say of it. */
#ifndef TANDEM_APP_ADOPT_FILE_H
#define TANDEM_APP_ADOPT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "app/adopt_survey.h"
#include "core/adopt.h"

struct adopt_names {
    char of[SURVEY_SERVERS_MAX][NODE_NAME_MAX];
    bool made[SURVEY_SERVERS_MAX]; /* neither named nor told by the server */
};

/* Positions in the order of the file: writer, candidates by priority, the others. */
void adopt_file_order(const struct survey *survey, const struct adopt_plan *plan,
                      unsigned ret_order[SURVEY_SERVERS_MAX]);
/* --name, else the host name if no other server has it, else m1, m2 ... in the file's order. */
void adopt_file_names(const struct adopt_sites *sites, const struct adopt_plan *plan,
                      struct adopt_names *ret_names);
/* Writes the file to order->out or `out`, after it passed its own check; what is left to the
 * operator, one line each, and what comes next to err. False: nothing was written. */
bool adopt_file_write(const struct adopt_sites *sites, const struct adopt_plan *plan,
                      const struct adopt_names *names, FILE *out, FILE *err);

#endif
