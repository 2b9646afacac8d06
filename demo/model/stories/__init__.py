# SPDX-License-Identifier: MIT
"""The story grammar of Ferry's demo model: a world, its people, and the plots they live through."""
