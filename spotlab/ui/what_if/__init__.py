"""The What-if page: what would be decided with other settings?"""
