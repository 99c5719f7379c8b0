/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem adopt`: sees a running topology (adopt_survey.h), tells what it found and what stands
 * against managing it (core/adopt.h), writes the cluster file (adopt_file.h) or turns GTID on
 * (adopt_walk.h). Blocks. Without order->gtid nothing is changed on any server.
 */
#ifndef TANDEM_APP_ADOPT_H
#define TANDEM_APP_ADOPT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/adopt_order.h"

bool adopt_run(const struct adopt_order *order, FILE *out, FILE *err);

#endif
