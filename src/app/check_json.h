/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of core/check.h as JSON (docs/reference/status.md). */
#ifndef TANDEM_APP_CHECK_JSON_H
#define TANDEM_APP_CHECK_JSON_H

#include <jansson.h>

#include "core/check.h"

/* {"nodes":[{"name":NAME,"checks":[{"id","level","asked","detail","why","fix"}]}]} of the nodes in
 * the mask. The caller owns the reference; NULL when out of memory. */
json_t *check_json(const struct check_world *w, uint32_t nodes);

#endif
