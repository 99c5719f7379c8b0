/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent answers over HTTP (io/http), from its core alone; docs/reference/http.md. Paths
 * are those of Patroni where it has them, so that a load balancer's checks can stay. Nothing here
 * changes anything.
 */
#ifndef TANDEM_APP_WEB_ANSWER_H
#define TANDEM_APP_WEB_ANSWER_H

#include "app/metrics.h"
#include "io/http/http.h"

/* lag: the text behind `lag=`, NULL if it is not there. The body may be NULL when out of memory. */
struct http_answer web_answer(const struct core *core, const struct metrics_counters *counters,
                              const char *path, const char *lag);

#endif
