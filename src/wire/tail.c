/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tail.h"

const char *tail_class_id(int tail_class)
{
    static const char *const ids[] = {"not-judged", "never-acknowledged", "possibly-acknowledged",
                                      "unknown"};
    _Static_assert(sizeof ids / sizeof *ids == TAIL_CLASS_COUNT, "an id for each class");
    return tail_class >= 0 && tail_class < TAIL_CLASS_COUNT ? ids[tail_class] : "?";
}

const char *tail_class_text(int tail_class)
{
    static const char *const texts[] = {"not judged", "never acknowledged", "possibly acknowledged",
                                        "of unknown origin"};
    _Static_assert(sizeof texts / sizeof *texts == TAIL_CLASS_COUNT, "a text for each class");
    return tail_class >= 0 && tail_class < TAIL_CLASS_COUNT ? texts[tail_class] : "?";
}
