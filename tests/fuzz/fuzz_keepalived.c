/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "io/config/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every statement has a keyword and lies within the lines of its block. */
static void look(const struct keepalived_statement *list, unsigned first, unsigned last)
{
    for (; list != NULL; list = list->next) {
        assert(list->n_words >= 1 && list->n_words <= KEEPALIVED_WORDS_MAX);
        assert(list->line >= first && list->end_line >= list->line && list->end_line <= last);
        assert(list->block || list->child == NULL);
        look(list->child, list->line, list->end_line);
    }
}

/* As both files of a pair that is called and addressed by the command line. */
static void translate(struct keepalived_tree *t)
{
    static const char *const paths[IMPORT_SIDES] = {"fuzz", "fuzz"};
    struct keepalived_tree *const trees[IMPORT_SIDES] = {t, t};
    const struct import_options o = {.names = {"a", "b"}, .addresses = {"192.0.2.1", "192.0.2.2"}};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert(out != NULL);
    (void)!import_translate(trees, paths, &o, out, out);
    import_report(t, out);
    (void)fclose(out);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keepalived_tree *t = NULL;
    struct errmsg m = ERRMSG_INIT;
    if (keepalived_tree_parse((const char *)data, size, "fuzz", &m, &t) != 0) {
        assert(m.text[0] != '\0');
        return 0;
    }
    look(keepalived_tree_top(t), 1, UINT32_MAX);
    translate(t);
    keepalived_tree_free(t);
    return 0;
}
