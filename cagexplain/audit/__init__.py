"""Audits: would you let this policy defend your network?"""
