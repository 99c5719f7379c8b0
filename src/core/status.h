/* SPDX-License-Identifier: Apache-2.0 */
/* What a core says about itself: its report, and the sentences of `status`. */
#ifndef TANDEM_CORE_STATUS_H
#define TANDEM_CORE_STATUS_H

#include "wire/report.h"

struct core;

void status_fill_report(struct core *core, struct report *r);

#endif
