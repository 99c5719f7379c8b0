/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem repoint`: puts a replica under another server while no agent manages it. Carries out what
 * the tables `repoint` (core/repoint.h) and `match` (core/repoint_match.h) say; every statement is
 * printed. Blocks.
 *
 * Until the place is found nothing is changed but the replica's IO thread, which is put back as it
 * was when the answer is no. With order->dry_run not even that: the places are those of the moment.
 */
#ifndef TANDEM_APP_REPOINT_H
#define TANDEM_APP_REPOINT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/repoint_order.h"

/* True: the replica follows the new source; with dry_run, it would. */
bool repoint_run(const struct repoint_order *order, FILE *err);

#endif
