/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to rest before something that failed is tried again: `first` after the first failure,
 * twice as long after each further one, and never longer than `max`.
 */
#ifndef TANDEM_UTIL_BACKOFF_H
#define TANDEM_UTIL_BACKOFF_H

#include <stdint.h>

/* failures: before this one. Any unit; 0 < first <= max. */
int64_t backoff(int64_t first, int64_t max, unsigned failures);

#endif
