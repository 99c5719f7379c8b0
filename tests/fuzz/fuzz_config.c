/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the file says, it is refused with a reason, or taken, and then what is written of it is
 * taken too and means the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/config/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct cluster_config *c)
{
    struct cluster_config *again = calloc(1, sizeof *again);
    struct config_errors errors;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (again == NULL || out == NULL)
        abort();
    config_write(c, out);
    if (fclose(out) != 0 || config_parse(text, length, again, &errors) != 0 ||
        again->digest != c->digest)
        abort();
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    struct config_errors errors;
    if (c == NULL)
        abort();
    if (config_parse((const char *)data, size, c, &errors) == 0)
        check_written(c);
    else if (errors.n_errors == 0)
        abort();
    free(c);
    return 0;
}
