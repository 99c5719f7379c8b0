/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries out what table `gtid` (core/adopt_gtid.h) says, one step on one server at a time, and
 * looks at all of them before the next. Every step is printed. It may be broken off at any moment
 * and be run again.
 */
#ifndef TANDEM_APP_ADOPT_WALK_H
#define TANDEM_APP_ADOPT_WALK_H

#include <stdbool.h>
#include <stdio.h>

#include "app/adopt_file.h"
#include "app/adopt_survey.h"
#include "core/adopt.h"

/* True: every server is done. With order->dry_run only the steps are printed: true if none of them
 * would be refused. */
bool adopt_walk(struct adopt_sites *sites, const struct adopt_plan *plan,
                const struct adopt_names *names, FILE *err);

#endif
